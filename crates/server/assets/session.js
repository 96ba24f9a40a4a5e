// Keeps the person informed about the session: refreshes it while there is activity, says so two
// minutes before it ends, and follows sign-out in other tabs. Holds no token.
"use strict";
(() => {
  const body = document.body, notice = document.getElementById("notice");
  const tabs = "BroadcastChannel" in window ? new BroadcastChannel("nightlatch") : null;
  const say = (word) => { if (tabs) tabs.postMessage(word); };
  const api = (method, path) => fetch(path, { method, credentials: "same-origin", cache: "no-store" });
  const NOTICE = 120, REFRESH = 60;
  let end = 0, active = false, refreshed = Date.now();

  const show = (text, label, action) => {
    notice.textContent = text;
    if (label) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.addEventListener("click", action);
      notice.append(button);
    }
    notice.hidden = false;
  };
  const hide = () => { notice.hidden = true; notice.textContent = ""; };
  const over = (text) => { end = 0; show(text, "Sign in", () => { location.href = "/login"; }); };

  const take = async (answer) => {
    const told = await answer.json().catch(() => ({}));
    if (answer.ok) {
      end = Date.now() + told.remaining_seconds * 1000;
    } else if (answer.status === 401) {
      over("You are signed out.");
    } else if (answer.status === 403) {
      const reason = told.details && told.details.reason;
      over("Your session was ended by an administrator." + (reason ? " Reason: " + reason : ""));
    }
    return answer.ok;
  };
  const look = () => api("GET", "/api/v2/auth/session").then(take).catch(() => false);
  const refresh = async () => {
    active = false;
    refreshed = Date.now();
    const kept = await api("POST", "/api/v2/auth/session/refresh").then(take).catch(() => false);
    if (kept) { hide(); say("alive"); }
  };

  if (body.dataset.start === "guest") {
    api("POST", "/api/v2/auth/anonymous").then((answer) => {
      if (answer.ok) location.reload();
    }).catch(() => {});
    return;
  }
  if (!body.dataset.left) {
    // A page for whoever is signed out: another tab may sign in.
    if (tabs) tabs.addEventListener("message", (event) => {
      if (event.data === "begun" && location.pathname === "/login") location.href = "/account";
    });
    return;
  }

  end = Date.now() + Number(body.dataset.left) * 1000;
  say("begun");
  if (tabs) tabs.addEventListener("message", (event) => {
    if (event.data === "ended") over("You signed out in another tab.");
    if (event.data === "alive") { hide(); look(); }
  });
  for (const form of document.querySelectorAll('form[action="/signout"]')) {
    form.addEventListener("submit", () => say("ended"));
  }
  for (const kind of ["pointerdown", "keydown", "scroll"]) {
    addEventListener(kind, () => { active = true; }, { passive: true });
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden && end) look(); });

  setInterval(() => {
    if (!end) return;
    const left = Math.ceil((end - Date.now()) / 1000);
    const shown = document.getElementById("left");
    if (shown) shown.textContent = "in " + (left >= 90 ? Math.round(left / 60) + " min" : Math.max(left, 0) + " s");
    if (left <= 0) {
      end = 0;
      look();
    } else if (active && Date.now() - refreshed > REFRESH * 1000) {
      refresh();
    } else if (left <= NOTICE && notice.hidden) {
      show("Your session ends in less than two minutes.", "Stay signed in", refresh);
    }
  }, 1000);
})();
