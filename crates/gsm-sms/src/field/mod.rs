//! One file for each TPDU field of 3GPP TS 23.040 clause 9.2.3.

pub(crate) mod address;
pub(crate) mod ct;
pub(crate) mod dcs;
pub(crate) mod fcs;
pub(crate) mod first_octet;
pub(crate) mod pi;
pub(crate) mod pid;
pub(crate) mod scts;
pub(crate) mod status;
pub(crate) mod ud;
pub(crate) mod udh;
pub(crate) mod vp;
