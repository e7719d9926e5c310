//! Tokens of requests.

use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};

use crate::export::access::Gate;

/// Lets requests with a good token through, and refuses others; lets all through where none is asked for.
#[derive(Clone, Debug)]
pub(super) struct Admission(Gate);

impl Admission {
    /// As `gate` says.
    pub(super) fn new(gate: Gate) -> Self {
        Self(gate)
    }

    /// `service`, for those who are let through.
    pub(super) fn before<S>(&self, service: S) -> InterceptedService<S, Self> {
        InterceptedService::new(service, self.clone())
    }
}

impl Interceptor for Admission {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let authorization = request.metadata().get("authorization").map(MetadataValue::as_encoded_bytes);
        match self.0.check(authorization) {
            Ok(()) => Ok(request),
            Err(refusal) => Err(Status::unauthenticated(refusal.to_string())),
        }
    }
}
