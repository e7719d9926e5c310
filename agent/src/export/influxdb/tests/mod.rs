mod backlog;
mod conservation;
mod exporter;
mod fake;
mod series;
mod tls;
