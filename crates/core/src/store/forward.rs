//! Stores behind a pointer, such as `Arc<dyn Store>`.

use std::sync::Arc;

use super::{
    Applied, Change, Check, Created, Import, Index, Loaded, NewRecord, Purge, Rotated, Store,
    StoreFuture, Sweep, Touch, Touched,
};
use crate::SessionId;

macro_rules! forward_store {
    ($pointer:ident) => {
        // A wrapper that inherits a default would hide what the store beneath it can do.
        #[deny(clippy::missing_trait_methods)]
        impl<S: Store + ?Sized> Store for $pointer<S> {
            fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
                (**self).create(id, new)
            }

            fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
                (**self).load(id)
            }

            fn apply<'a>(
                &'a self,
                id: &'a SessionId,
                change: &'a Change,
            ) -> StoreFuture<'a, Applied> {
                (**self).apply(id, change)
            }

            fn rotate<'a>(
                &'a self,
                old: &'a SessionId,
                new: &'a SessionId,
                change: &'a Change,
            ) -> StoreFuture<'a, Rotated> {
                (**self).rotate(old, new, change)
            }

            fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched> {
                (**self).touch(id, touch)
            }

            fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
                (**self).delete(id)
            }

            fn answers_at_once(&self) -> bool {
                (**self).answers_at_once()
            }

            fn index(&self) -> Option<&dyn Index> {
                (**self).index()
            }

            fn sweep(&self) -> Option<&dyn Sweep> {
                (**self).sweep()
            }

            fn purge(&self) -> Option<&dyn Purge> {
                (**self).purge()
            }

            fn import(&self) -> Option<&dyn Import> {
                (**self).import()
            }

            fn check(&self) -> Option<&dyn Check> {
                (**self).check()
            }
        }
    };
}

forward_store!(Arc);
forward_store!(Box);
