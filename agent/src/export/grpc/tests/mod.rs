//! Books made up for the tests, and a client's view of them.

mod books;
mod hub;
mod invocations;
mod mirror;
mod server;
mod table;
mod traces;
