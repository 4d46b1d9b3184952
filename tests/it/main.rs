//! The one integration binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    clippy::too_many_lines,
    reason = "tests: a helper that fails is a failed test, and numbers are small"
)]

mod access;
mod acts;
mod addresses;
mod advised;
mod archived;
mod asked;
mod astray;
mod backup;
mod bad_network;
mod box_fallback;
mod broken_config;
mod browser;
mod budget;
mod clients;
mod config;
mod control;
mod core;
mod crash_flips;
mod crash_image;
mod crash_kills;
mod crash_lab;
mod crash_power;
mod crash_site;
mod crash_told;
mod desk;
mod device;
mod door;
mod engine;
mod estimate;
mod evidence;
mod faults;
mod faults_random;
mod faults_resets;
mod faults_writes;
mod faulty;
mod filed;
mod fixture;
mod flooded;
mod forecasts;
mod frozen;
mod fuzz_api;
mod golive;
mod half_open;
mod identity;
mod import;
mod journal;
mod ladder;
mod levels;
mod line;
mod live;
mod lock_step;
mod mail_tls;
mod meters;
mod modbus;
mod model_vs_plant;
mod modes;
mod moment;
mod monitoring;
mod network_lost;
mod notices;
mod observing;
mod one_connection;
mod outlets;
mod package;
mod page;
mod peers;
mod peers_serial;
mod peers_tls;
mod pictures;
mod plan_benchmark;
mod planted;
mod point_test;
mod point_test_moves;
mod polluted;
mod problems;
mod process;
mod properties;
mod proposals;
mod quarters;
mod ratings;
mod record;
mod registers;
mod reports;
mod restarts;
#[path = "../benches/plan/river.rs"]
mod river;
mod rules;
mod running;
mod schedule;
mod schedule_page;
mod screens;
mod security;
mod service;
mod sessions;
mod shifts;
mod simulated;
mod site;
mod slow;
mod snapshots;
mod tampering;
mod tidy;
mod twins;
mod users;
mod vectors;
mod warned;
mod web;
mod whole;
