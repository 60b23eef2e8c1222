//! `smsotp`.

fn main() {}
