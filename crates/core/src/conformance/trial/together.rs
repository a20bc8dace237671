//! Tasks that run at once.

use std::sync::Arc;

use tokio::{sync::Barrier, task::JoinHandle};

use super::Trial;
use crate::conformance::failure::{Checked, Failure};

impl Trial {
    /// Runs tasks that begin together, each on a thread of its own if there are enough; gives their
    /// answers in order.
    pub(in crate::conformance) async fn together<T, F>(
        &self,
        tasks: impl IntoIterator<Item = F>,
    ) -> Checked<Vec<T>>
    where
        T: Send + 'static,
        F: Future<Output = Checked<T>> + Send + 'static,
    {
        let tasks: Vec<F> = tasks.into_iter().collect();
        let start = Arc::new(Barrier::new(tasks.len()));
        let running: Vec<JoinHandle<Checked<T>>> = tasks
            .into_iter()
            .map(|task| {
                let start = Arc::clone(&start);
                tokio::spawn(async move {
                    start.wait().await;
                    task.await
                })
            })
            .collect();
        let mut answers = Vec::with_capacity(running.len());
        for task in running {
            let answer = task
                .await
                .map_err(|error| Failure::new(format!("a concurrent call failed: {error}")))?;
            answers.push(answer?);
        }
        Ok(answers)
    }
}
