//! Prony's wire formats. What a message means is said in its .proto file, and again in the documentation made from it.

/// The .proto files of what Prony serves, as an encoded `google.protobuf.FileDescriptorSet`, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Package `prony.energy`.
pub mod energy {
    /// Package `prony.energy.v1`.
    #[expect(clippy::pedantic, reason = "generated")]
    pub mod v1 {
        tonic::include_proto!("prony.energy.v1");
    }
}

/// Package `prony.invocation`.
pub mod invocation {
    /// Package `prony.invocation.v1`.
    #[expect(clippy::pedantic, clippy::allow_attributes, reason = "generated")]
    pub mod v1 {
        tonic::include_proto!("prony.invocation.v1");
    }
}

/// Package `prony.meter`.
pub mod meter {
    /// Package `prony.meter.v1`: what the deployed ESP32 meters send.
    pub mod v1 {
        tonic::include_proto!("prony.meter.v1");
    }

    /// Package `prony.meter.v2`: Prony's own protocol for meters.
    #[expect(clippy::pedantic, reason = "generated")]
    pub mod v2 {
        tonic::include_proto!("prony.meter.v2");
    }
}

/// Package `runtime`: Kubernetes' Container Runtime Interface.
pub mod runtime {
    /// Package `runtime.v1`.
    #[expect(clippy::pedantic, clippy::allow_attributes, reason = "generated")]
    pub mod v1 {
        tonic::include_proto!("runtime.v1");
    }
}
