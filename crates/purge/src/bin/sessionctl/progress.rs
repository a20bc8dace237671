//! Progress of long work, on a terminal: [`Progress`].

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Progress of long work on the standard error; invisible where that is no terminal.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Work of so many parts, or of a number that nobody knows.
    pub(crate) fn new(parts: Option<u64>) -> Self {
        let bar = match parts {
            Some(parts) => ProgressBar::new(parts),
            None => ProgressBar::new_spinner(),
        };
        let template = match parts {
            Some(_) => "{msg} {pos}/{len} {wide_bar} {eta}",
            None => "{spinner} {msg} {pos} {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    pub(crate) fn at(&self, what: &str, part: u64) {
        self.0.set_message(what.to_owned());
        self.0.set_position(part);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
