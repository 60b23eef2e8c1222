# Short names for commands that are used often. `just` alone lists them.

_default:
    @just --list --unsorted

# Everything a change must pass.
ci:
    .ci/run

# Send a code by SMS from end to end, without hardware.
demo:
    cargo run --release -- demo

# All tests, or those whose name contains a word.
test *WORD:
    cargo test {{ WORD }}

# The long trials of the store: power cuts, damaged files, kills.
store-trials:
    cargo test --release --locked --test it store_power::power_cuts_in_the_long_form -- --ignored --nocapture
    cargo test --release --locked --test it store_damage::damage_is_told_in_the_long_form -- --ignored --nocapture
    cargo test --release --locked --test it daemon_kills::two_hundred_kills_in_mixed_work_take_nothing_back -- --ignored --nocapture

# Format, then show what clippy says.
tidy:
    cargo fmt --all
    cargo clippy --all-targets

# Every fuzz target, or the named ones, for this many seconds each.
fuzz SECONDS="60" *TARGETS:
    fuzz/run {{ SECONDS }} {{ TARGETS }}

# Only the walls between the rooms.
walls:
    cargo test --test it tidy

# Licences, sources and known faults of the dependencies.
deny:
    cargo deny --workspace check

# The shipped configuration.
check-config FILE="config/smsotpd.toml":
    cargo run --quiet --bin smsotpd -- --check-config --config {{ FILE }}

# Build, and put programs, unit, rules and configuration in their places. Needs root for the second half.
install DESTDIR="":
    cargo build --release --locked
    install -Dm755 -t {{ DESTDIR }}/usr/bin target/release/smsotpd target/release/smsotp
    install -Dm644 -t {{ DESTDIR }}/usr/lib/systemd/system systemd/smsotpd.service systemd/smsotpd.socket
    install -Dm644 systemd/smsotpd.tmpfiles {{ DESTDIR }}/usr/lib/tmpfiles.d/smsotpd.conf
    install -Dm644 systemd/smsotpd.sysusers {{ DESTDIR }}/usr/lib/sysusers.d/smsotpd.conf
    install -Dm644 systemd/smsotpd.modules-load.conf {{ DESTDIR }}/usr/lib/modules-load.d/smsotpd.conf
    install -Dm644 systemd/70-smsotpd.rules {{ DESTDIR }}/usr/lib/udev/rules.d/70-smsotpd.rules
    [ -e {{ DESTDIR }}/etc/smsotpd/smsotpd.toml ] || install -Dm644 config/smsotpd.toml {{ DESTDIR }}/etc/smsotpd/smsotpd.toml
