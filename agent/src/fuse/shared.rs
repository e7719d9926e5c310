//! How shared models are written down and read again: as if each had its own.

use std::sync::Arc;

use serde::{Deserializer, Serializer};

use super::power_model::{ModelsByPackage, PowerModel};

/// Of a model that there may be.
pub(super) mod option {
    use super::{Arc, Deserializer, PowerModel, Serializer};
    use serde::{Deserialize as _, Serialize as _};

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(in super::super) fn serialize<S: Serializer>(
        model: &Option<Arc<PowerModel>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        model.as_deref().serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Arc<PowerModel>>, D::Error> {
        Ok(Option::<PowerModel>::deserialize(from)?.map(Arc::new))
    }
}

/// Of models by package.
pub(super) mod by_number {
    use super::{Arc, Deserializer, ModelsByPackage, PowerModel, Serializer};
    use serde::{Deserialize as _, Serialize as _};

    pub(in super::super) fn serialize<S: Serializer>(models: &ModelsByPackage, to: S) -> Result<S::Ok, S::Error> {
        models.iter().map(|(package, model)| (*package, &**model)).collect::<Vec<_>>().serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ModelsByPackage, D::Error> {
        let models = Vec::<(u32, PowerModel)>::deserialize(from)?;
        Ok(models.into_iter().map(|(package, model)| (package, Arc::new(model))).collect())
    }
}
