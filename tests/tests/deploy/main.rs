//! What is in `deploy/`: that a cluster takes it, and that the agent runs as it says.

mod dashboards;
mod helm;
mod image;
mod kustomize;
mod objects;
mod privileges;
mod rules;
mod schemas;
mod systemd;
