//! A person at a browser, who has a keyboard only.

use serde_json::{Value, json};

use crate::driver::{Chromium, Look, Tab, Window};
use crate::fixture::{Server, User};

/// What has the focus: its name, and whether one sees that it has it.
const FOCUS: &str = "(() => {
    const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
    const label = e.labels && e.labels[0] ? e.labels[0].innerText : e.innerText;
    return {
        name: (e.getAttribute('aria-label') || label || '').trim(),
        nowhere: e === document.body,
        outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        inside: box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight,
    };
})()";
/// Lets a test move the clock of a page, by `skew` milliseconds.
const CLOCK: &str = "(() => {
    const now = Date.now.bind(Date);
    window.skew = 0;
    Date.now = () => now() + window.skew;
})()";
/// More than there are stops on any page.
const STOPS: usize = 60;

/// A person at a tab.
pub struct Person<'a> {
    pub server: &'static Server,
    pub chromium: &'a mut Chromium,
    pub tab: Tab,
}

impl<'a> Person<'a> {
    /// In a window of their own, without cookies.
    pub fn new(server: &'static Server, chromium: &'a mut Chromium, look: Look) -> Self {
        let window = chromium.window();
        let address = server.visitor().address;
        let tab = chromium.tab(&window, &address, look);
        chromium.before_each_page(&tab, CLOCK);
        Self {
            server,
            chromium,
            tab,
        }
    }

    /// In a tab of this window, with the cookies of somebody who signed in there.
    pub fn signed_in(
        server: &'static Server,
        chromium: &'a mut Chromium,
        window: &Window,
        user: &User,
        look: Look,
    ) -> Self {
        let tab = chromium.tab(window, &user.visitor.address, look);
        chromium.before_each_page(&tab, CLOCK);
        let cookies = user.visitor.browser.cookie_header().unwrap();
        for cookie in cookies.split("; ") {
            let (name, value) = cookie.split_once('=').unwrap();
            chromium.set_cookie(&tab, server.address, name, value);
        }
        Self {
            server,
            chromium,
            tab,
        }
    }

    pub fn open(&mut self, path: &str) {
        self.chromium.open(&self.tab, self.server.address, path);
    }

    #[track_caller]
    pub fn sees(&mut self, path: &str, text: &str) {
        self.chromium.wait_for(&self.tab, path, text);
    }

    pub fn eval(&mut self, script: &str) -> Value {
        self.chromium.eval(&self.tab, script)
    }

    #[track_caller]
    pub fn wait(&mut self, script: &str) {
        let script = format!("document.readyState === 'complete' && ({script})");
        self.chromium.wait(&self.tab, &script);
    }

    /// Presses Tab and returns the name of what has the focus then; empty at the end of the page.
    #[track_caller]
    pub fn next_stop(&mut self) -> String {
        self.chromium.press(&self.tab, "Tab");
        let focus = self.eval(FOCUS);
        if focus["nowhere"] == true {
            return String::new();
        }
        assert_eq!(focus["outlined"], true, "its focus is not seen: {focus}");
        assert_eq!(focus["inside"], true, "it is out of sight: {focus}");
        focus["name"].as_str().unwrap().to_owned()
    }

    /// Checks the order in which Tab goes through a page that was just opened.
    #[track_caller]
    pub fn stops_are(&mut self, names: &[&str]) {
        for name in names {
            assert_eq!(&self.next_stop(), name);
        }
    }

    /// Presses Tab until this has the focus.
    #[track_caller]
    pub fn go_to(&mut self, name: &str) {
        let mut stops = Vec::new();
        while stops.last().is_none_or(|stop| stop != name) {
            assert!(stops.len() < STOPS, "no way to {name:?}: {stops:?}");
            stops.push(self.next_stop());
        }
    }

    /// Goes to a field and types into it.
    #[track_caller]
    pub fn fill(&mut self, field: &str, text: &str) {
        self.go_to(field);
        self.chromium.type_text(&self.tab, text);
    }

    pub fn enter(&mut self) {
        self.chromium.press(&self.tab, "Enter");
    }

    /// Goes to a link or a button and presses Enter.
    #[track_caller]
    pub fn follow(&mut self, name: &str) {
        self.go_to(name);
        self.enter();
    }

    /// Moves the clock of the page by so many seconds.
    pub fn later(&mut self, seconds: u32) {
        self.eval(&format!("void (window.skew += {seconds} * 1000)"));
    }

    /// Checks that a field is marked as wrong, and that what is wrong stands right below it.
    #[track_caller]
    pub fn is_wrong(&mut self, field: &str, text: &str) {
        let script = format!(
            "(() => {{
                const field = document.getElementById('{field}');
                const problem = document.getElementById('{field}-problem');
                const below = problem.getBoundingClientRect().top
                    - field.getBoundingClientRect().bottom;
                return {{
                    marked: field.getAttribute('aria-invalid') === 'true',
                    described: field.getAttribute('aria-describedby').split(' ')
                        .includes(problem.id),
                    announced: problem.getAttribute('role') === 'alert',
                    beside: below >= 0 && below < 24,
                    text: problem.innerText.includes({}),
                }};
            }})()",
            json!(text)
        );
        let found = self.eval(&script);
        let all = found.as_object().unwrap().values();
        assert!({ all }.all(|value| *value == true), "{field}: {found}");
    }
}
