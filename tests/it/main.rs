//! The tests of the whole: the daemon over real sockets and ports, and the rules of the source itself.

mod api_access;
mod api_cli;
mod api_events;
mod api_http;
mod api_robust;
mod api_support;
mod config_shipped;
mod daemon_codes;
mod daemon_sending;
mod daemon_support;
mod modem_pty;
mod modem_recovery;
mod ports_ask;
mod ports_probe;
mod ports_sysfs;
mod ports_watch;
mod sim_codec;
mod sim_dialogue;
mod sim_faults;
mod sim_hangs;
mod sim_wire;
mod sms_pdus;
mod sms_properties;
mod store_crash;
mod store_files;
mod tidy;
