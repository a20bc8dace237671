//! All that is logged, at trace level: [`Captured`].

use std::{
    io,
    sync::{Arc, Mutex, Once},
};

use tracing_subscriber::{Registry, filter::LevelFilter, fmt::MakeWriter, util::SubscriberInitExt};

/// All that is logged, at trace level, by all crates.
#[derive(Clone, Debug, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// Captures what is logged until the guard is dropped, in this thread.
    #[must_use]
    pub fn here() -> (Self, tracing::subscriber::DefaultGuard) {
        let captured = Self::default();
        // A place that logs is switched off for good if a thread without a subscriber comes by it
        // first; a subscriber of the whole process, which prints nothing, leaves no such thread.
        static LISTENS: Once = Once::new();
        LISTENS.call_once(|| {
            let _ = tracing::subscriber::set_global_default(Registry::default());
        });
        let guard = captured.subscriber().set_default();
        (captured, guard)
    }

    /// Captures what the whole process logs from now on.
    #[must_use]
    pub fn everywhere() -> Self {
        let captured = Self::default();
        captured.subscriber().init();
        captured
    }

    /// What was logged so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    fn subscriber(&self) -> impl SubscriberInitExt + use<> {
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(self.clone())
            .finish()
    }
}

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
