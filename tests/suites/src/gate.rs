//! Where a test stops what it tests: [`Gate`].

use std::sync::Arc;

use tokio::sync::Semaphore;

/// A place that others pass only when the test opens it. Copies are the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { arrived: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that one is here, and waits until it is let through.
    pub async fn pass(&self) {
        self.arrived.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }

    /// Waits until so many more are here.
    pub async fn arrived(&self, count: u32) {
        self.arrived.acquire_many(count).await.unwrap().forget();
    }

    /// Lets so many through.
    pub fn open(&self, count: usize) {
        self.open.add_permits(count);
    }
}
