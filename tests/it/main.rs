//! Tests over the public doors of the library.

mod sim_codec;
mod sim_dialogue;
mod sim_faults;
mod sim_wire;
