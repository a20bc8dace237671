//! The tower layer: [`SessionLayer`].

mod builder;
mod future;
mod limits;
mod manager;
mod service;

pub(crate) use builder::Settings;
pub use builder::{ConfigError, SessionLayerBuilder};
pub use future::ResponseFuture;
pub use limits::Limits;
pub(crate) use manager::Manager;
pub(crate) use service::Handle;
pub use service::SessionService;

use std::sync::Arc;

use tower_layer::Layer;

use crate::{Sessions, Store};

/// Gives the requests of a tower service their sessions.
///
/// One value serves axum, hyper and tonic; copies share the store and the settings. A handler that
/// never asks for its session costs no I/O and no parsing.
///
/// ```
/// # use std::time::Duration;
/// # use tower_keep_core::{Lifetime, SessionCookie, SessionLayer, Store, Transport};
/// # fn build(store: impl Store + Clone) -> Result<(), Box<dyn std::error::Error>> {
/// // The defaults: cookie `__Host-id`, 30 minutes idle, 24 hours in all.
/// let layer = SessionLayer::new(store.clone());
///
/// // Each of them can be changed; what cannot work is an error here, not in production.
/// let layer = SessionLayer::builder(store)
///     .transports([Transport::cookie(SessionCookie::named("__Host-shop")), Transport::bearer()])
///     .lifetime(Lifetime::new(Duration::from_secs(15 * 60), Duration::from_secs(12 * 3_600)))
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct SessionLayer {
    manager: Arc<Manager>,
}

impl SessionLayer {
    /// A layer with the default settings over a store.
    #[must_use]
    pub fn new(store: impl Store) -> Self {
        Self::with(Settings::default(), Arc::new(store))
    }

    /// Begins a layer with other settings.
    pub fn builder(store: impl Store) -> SessionLayerBuilder {
        SessionLayerBuilder::new(Arc::new(store))
    }

    /// The manager of this layer's sessions, for work outside a request.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions::new(Arc::clone(&self.manager))
    }

    fn with(settings: Settings, store: Arc<dyn Store>) -> Self {
        Self { manager: Arc::new(Manager::new(settings, store)) }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService::new(inner, Arc::clone(&self.manager))
    }
}
