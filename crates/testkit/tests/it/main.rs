//! The whole system: the built binary, driven by SIPp and baresip, judged by what they heard and noted.

mod browser;
mod chaos;
mod codes;
mod demo;
mod doctor;
mod drain;
mod facts;
mod hearing;
mod heirs;
mod hostile;
mod infra;
mod keys;
mod linphone;
mod metrics;
mod nat;
mod otlp;
mod real;
mod refusals;
mod restart;
mod ringing;
mod routing;
mod secrets;
mod stuck;
mod topology;
mod trace;
mod wallboard;
