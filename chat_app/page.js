// What the page does by itself: it sends what a button says to the server, asks what is being made, keeps two videos in step,
// and knows where the video is paused. Everything else is app.py's.
"use strict";

const chosenLanguage = document.cookie.match(/gpt_video_language=(en|fr)/);
if (chosenLanguage) {  // the widgets speak the browser's language unless another was chosen
  Object.defineProperty(navigator, "language", { get: () => chosenLanguage[1] });
  Object.defineProperty(navigator, "languages", { get: () => [chosenLanguage[1]] });
}

window.gv = (() => {
  let send = () => {};
  let place = {}, asked = null, shownHtml = null, timer = null, quiet = false;
  const $ = (selector) => document.querySelector(selector);
  const videos = () => [...document.querySelectorAll(".gv-player video")];

  // ------------------------------------------------------------------ the server
  function connect(trigger) {
    send = (what, data = {}) => trigger("click", { what, ...data });
  }

  function at(text) {  // app.py says where the page is
    place = JSON.parse(text || "{}");
    const url = new URL(location.href);
    if (place.conversation) url.searchParams.set("c", place.conversation); else url.searchParams.delete("c");
    if (url.href !== location.href) history.replaceState(null, "", url);
    look();
  }

  async function look() {
    clearTimeout(timer);
    let wait = 4000;
    try {
      const answer = await fetch(`/live/${place.conversation || "none"}`, { cache: "no-store" });
      if (answer.status === 401) location.reload();
      if (answer.ok) {
        const live = await answer.json();
        wait = live.busy ? 500 : 3000;
        await paint(live.html);
        const news = JSON.stringify([place, live.changes]);
        if (live.changes !== (place.changes ?? "") && news !== asked || quiet) {  // once for each change
          asked = news;
          send("refresh");
        }
        quiet = false;
      }
    } catch {
      const text = $("#gv-lost")?.textContent ?? "";
      await paint(`<p class="gv-broken" role="alert"></p>`);
      $(".gv-broken").textContent = text;
      quiet = true;
      wait = 1000;
    }
    clearTimeout(timer);
    timer = setTimeout(look, document.hidden ? Math.max(wait, 2000) : wait);
  }

  async function paint(html) {
    const board = $("#gv-board");
    if (!board || html === shownHtml) return;
    shownHtml = html;
    const source = html.match(/src="(\/live\/[^"]+)"/);
    if (source) {  // loaded first, so that the picture does not blink
      const next = new Image();
      next.src = source[1].replaceAll("&amp;", "&");
      await next.decode().catch(() => {});
      if (html !== shownHtml) return;
    }
    const focused = board.contains(document.activeElement);
    board.innerHTML = html;
    if (focused) board.querySelector("button")?.focus();
  }

  // ------------------------------------------------------------------ the videos
  const step = () => Number($(".gv-player")?.dataset.step || 0);

  function snapped(video) {
    const length = step() || 0.5;
    return Math.floor(video.currentTime / length + 1e-6) * length;
  }

  function moment() {  // for app.py: where the video is, and whether the person paused it there
    const video = videos()[0];
    if (!video || $(".gv-pair")) return "{}";
    return JSON.stringify({ at: video.currentTime, paused: isPaused(video) });
  }

  const isPaused = (video) => video.paused && !video.seeking && video.currentTime > 0 && video.dataset.played === "1";

  function sayMoment() {
    const video = videos()[0], note = $(".gv-moment");
    if (!video || !note) return;
    const paused = isPaused(video);
    note.hidden = !paused;
    if (!paused) return;
    const comma = document.documentElement.lang === "fr";
    const text = String(snapped(video)).replace(".", comma ? "," : ".");
    note.querySelector("span").textContent = $(".gv-player").dataset.moment.replace("{at}", text);
  }

  function inStep() {
    const [left, right] = videos(), slider = $(".gv-both input");
    if (!right || !slider) return;
    const length = Math.max(left.duration, right.duration) || 1;
    const leader = left.duration >= right.duration ? left : right;
    const follower = leader === left ? right : left;
    const wanted = Math.min(leader.currentTime, Math.max(follower.duration - 0.05, 0));
    if (Math.abs(follower.currentTime - wanted) > 0.1) follower.currentTime = wanted;
    if (follower.paused !== leader.paused && wanted < follower.duration - 0.1)
      leader.paused ? follower.pause() : follower.play().catch(() => {});
    slider.value = Math.round(1000 * leader.currentTime / length);
    slider.setAttribute("aria-valuetext", `${leader.currentTime.toFixed(1)} s`);
  }

  for (const event of ["play", "pause", "timeupdate", "seeked"])
    document.addEventListener(event, (e) => {
      if (!e.target.closest?.(".gv-player")) return;
      if (event === "play") e.target.dataset.played = "1";
      $(".gv-pair") ? inStep() : sayMoment();
    }, true);

  document.addEventListener("input", (e) => {
    if (!e.target.matches?.(".gv-both input")) return;
    const length = Math.max(...videos().map((video) => video.duration || 0));
    for (const video of videos()) {
      video.pause();
      video.currentTime = Math.min(e.target.value / 1000 * length, Math.max(video.duration - 0.05, 0));
    }
  });

  // ------------------------------------------------------------------ buttons, links, keys
  const here = {
    play: () => videos()[0]?.play(),
    both: () => { const stop = !videos()[0].paused; for (const v of videos()) stop ? v.pause() : v.play(); },
    language: (data) => {
      document.cookie = `gpt_video_language=${data.language}; path=/; max-age=31536000; samesite=lax`;
      location.reload();
    },
  };

  document.addEventListener("click", (e) => {
    const link = e.target.closest?.('a[href*="#v="]');
    if (link) {
      e.preventDefault();
      e.stopPropagation();
      send("show", { id: link.getAttribute("href").split("#v=")[1] });
      return;
    }
    const button = e.target.closest?.("[data-do]");
    if (!button) return;
    const { do: what, ...data } = button.dataset;
    here[what] ? here[what](data) : send(what, data);
  }, true);

  document.addEventListener("keydown", (e) => {
    if (e.target.closest?.("input, textarea, select, video") || e.ctrlKey || e.metaKey) return;
    if (e.key === "/") {
      e.preventDefault();
      $("#gv-message textarea")?.focus();
    } else if (e.altKey && (e.key === "ArrowLeft" || e.key === "ArrowRight")) {
      e.preventDefault();
      const all = [...document.querySelectorAll(".gv-strip [data-do=show]")];
      const now = all.findIndex((one) => one.hasAttribute("aria-current"));
      all[now + (e.key === "ArrowLeft" ? -1 : 1)]?.click();
    }
  });

  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });

  // Gradio names a message by its source, addresses included: read aloud it should be what is seen.
  new MutationObserver(() => {
    for (const message of document.querySelectorAll("#gv-log [data-testid=bot]"))
      if (message.ariaLabel !== message.innerText) message.ariaLabel = message.innerText;
  }).observe(document, { childList: true, subtree: true });

  function rested() {  // who asked for less motion gets videos that stand still
    if (matchMedia("(prefers-reduced-motion: reduce)").matches)
      for (const video of videos()) if (!video.dataset.played) { video.autoplay = false; video.pause(); }
  }

  return { connect, at, moment, look, rested };
})();
