//! When the lab stops: [`Stop`].

use tokio::sync::watch;

/// Is told to everybody when the process is asked to stop.
pub(crate) struct Stop(watch::Receiver<()>);

impl Stop {
    /// Waits for SIGTERM, or for Ctrl-C at a terminal, from now on.
    pub(crate) fn on_signal() -> std::io::Result<Self> {
        let (running, stop) = watch::channel(());
        #[cfg(unix)]
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::spawn(async move {
            #[cfg(unix)]
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            #[cfg(not(unix))]
            let _ = tokio::signal::ctrl_c().await;
            drop(running);
        });
        Ok(Self(stop))
    }

    /// Ends when the process is asked to stop.
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stop = self.0.clone();
        async move { while stop.changed().await.is_ok() {} }
    }
}
