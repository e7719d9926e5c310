//! What a cloud instance is called: by whom, and as what.

use std::fmt;
use std::fs;
use std::path::Path;

/// What Azure's machines have for the tag of their chassis (learn.microsoft.com, "Azure Instance Metadata Service").
const AZURE_CHASSIS: &str = "7783-7084-3265-9085-8269-3286-77";

/// What is known of an instance's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) provider: Option<String>,
    pub(super) instance_type: Option<String>,
}

/// A whole name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InstanceName {
    pub(super) provider: String,
    pub(super) instance_type: String,
}

impl fmt::Display for InstanceName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.provider, self.instance_type)
    }
}

impl Known {
    /// What this machine's firmware says (`<sysfs>/class/dmi/id`). On EC2 its product is the instance type; Azure and Google
    /// only say who they are.
    pub(super) fn by_firmware(sysfs: &Path) -> Self {
        let read = |name: &str| {
            let text = fs::read_to_string(sysfs.join("class/dmi/id").join(name)).unwrap_or_default();
            text.trim().to_owned()
        };
        let (vendor, product) = (read("sys_vendor"), read("product_name"));
        let of = |provider: &str| Self { provider: Some(provider.into()), instance_type: None };
        match vendor.as_str() {
            "Amazon EC2" => Self { instance_type: Some(product).filter(|product| product.contains('.')), ..of("aws") },
            "Google" => of("gcp"),
            "Scaleway" => of("scaleway"),
            "Microsoft Corporation" if read("chassis_asset_tag") == AZURE_CHASSIS => of("azure"),
            _ => Self::default(),
        }
    }

    /// With what `other` knows where this does not.
    pub(super) fn or(self, other: Self) -> Self {
        Self { provider: self.provider.or(other.provider), instance_type: self.instance_type.or(other.instance_type) }
    }

    /// The whole name, once both parts are known.
    pub(super) fn whole(&self) -> Option<InstanceName> {
        Some(InstanceName { provider: self.provider.clone()?, instance_type: self.instance_type.clone()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_firmware(files: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let sysfs = tempfile::tempdir().unwrap();
        let folder = sysfs.path().join("class/dmi/id");
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), format!("{text}\n")).unwrap();
        }
        let Known { provider, instance_type } = Known::by_firmware(sysfs.path());
        (provider, instance_type)
    }

    #[test]
    fn firmware_says_where_a_machine_is() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            by_firmware(&[("sys_vendor", "Amazon EC2"), ("product_name", "m7a.4xlarge")]),
            (text("aws"), text("m7a.4xlarge"))
        );
        assert_eq!(by_firmware(&[("sys_vendor", "Amazon EC2"), ("product_name", "HVM domU")]), (text("aws"), None));
        assert_eq!(
            by_firmware(&[("sys_vendor", "Google"), ("product_name", "Google Compute Engine")]),
            (text("gcp"), None)
        );
        let azure = [("sys_vendor", "Microsoft Corporation"), ("product_name", "Virtual Machine")];
        assert_eq!(by_firmware(&azure), (None, None), "Hyper-V at home");
        assert_eq!(by_firmware(&[azure[0], azure[1], ("chassis_asset_tag", AZURE_CHASSIS)]), (text("azure"), None));
        assert_eq!(by_firmware(&[("sys_vendor", "QEMU")]), (None, None));
        assert_eq!(by_firmware(&[]), (None, None));
    }

    #[test]
    fn what_is_configured_goes_before_what_is_found() {
        let known = |provider: Option<&str>, instance_type: Option<&str>| Known {
            provider: provider.map(str::to_owned),
            instance_type: instance_type.map(str::to_owned),
        };
        let found = known(Some("aws"), Some("m7a.4xlarge"));
        assert_eq!(known(None, Some("c7a.large")).or(found.clone()).whole().unwrap().to_string(), "aws c7a.large");
        assert_eq!(known(None, None).or(found).whole().unwrap().to_string(), "aws m7a.4xlarge");
        assert_eq!(known(Some("gcp"), None).whole(), None);
    }
}
