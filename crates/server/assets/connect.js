// Looks how the try stands until it is over, less and less often, says so, and goes on where the server says.
"use strict";

const page = document.getElementById("state");
const titles = { succeeded: "Connected", failed: "Not connected" };
const texts = { open: "Finish in the other window; this page notices by itself.", succeeded: "The account is connected." };
const [soonest, slowest] = [1000, 5000];
let pause = soonest;
let timer = 0;
let asking = false;

function goOn(link) {
  setTimeout(() => location.replace(link.href), page.dataset.state === "failed" ? 10000 : 2000);
}

function show({ status, message, redirectUrl }) {
  if (message || texts[status]) {
    document.getElementById("text").textContent = message || texts[status];
  }
  if (status === "open") {
    return;
  }
  page.dataset.state = status;
  document.title = titles[status] + " · LoopFour";
  document.getElementById("title").textContent = titles[status];
  const end = document.getElementById("end");
  if (redirectUrl) {
    const link = document.createElement("a");
    link.href = redirectUrl;
    link.textContent = "Go on";
    end.replaceChildren(link);
    goOn(link);
  } else {
    end.textContent = "You can close this window.";
  }
}

async function look() {
  if (asking || page.dataset.state !== "open") {
    return;
  }
  clearTimeout(timer);
  asking = true;
  try {
    const answer = await fetch(location.pathname.replace(/\/$/, "") + "/state", { cache: "no-store" });
    if (answer.status === 404) {
      // Its time is over; the server has the words for that.
      location.reload();
      return;
    }
    if (answer.ok) {
      show((await answer.json()).data);
    }
  } catch {
    // No network for the moment.
  } finally {
    asking = false;
  }
  pause = Math.min(pause * 1.5, slowest);
  timer = setTimeout(look, pause);
}

if (page.dataset.state === "open") {
  timer = setTimeout(look, pause);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") {
      pause = soonest;
      look();
    }
  });
} else {
  const link = document.querySelector("#end a");
  if (link) {
    goOn(link);
  }
}
