use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One value of each type. The layers hold groups of options in it, and the file its
/// connections, so that neither has to know all groups.
#[derive(Debug, Clone, Default)]
pub(super) struct ByType(BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl ByType {
    /// The same with this value, in the place of another one of its type.
    pub(super) fn with<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
        self
    }

    pub(super) fn get<T: Any>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}
