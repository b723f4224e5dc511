//! The functions that our patch adds to Unicorn (`csrc/lockstep_exact.h`).

use std::ffi::{c_int, c_void};

use unicorn_engine::uc_engine;

unsafe extern "C" {
    pub fn uc_ls_set_budget(uc: *mut uc_engine, cycles: i64);
    pub fn uc_ls_left(uc: *mut uc_engine, instructions: *mut u64) -> i64;
    pub fn uc_ls_set_io(
        uc: *mut uc_engine,
        read: unsafe extern "C" fn(*mut c_void, *const LsAccess) -> u64,
        write: unsafe extern "C" fn(*mut c_void, *const LsAccess, u32),
        opaque: *mut c_void,
    );
    pub fn uc_ls_move_deadline(uc: *mut uc_engine, cycles: i64) -> bool;
    pub fn uc_ls_abort_access(uc: *mut uc_engine);
    pub fn uc_ls_exception(uc: *mut uc_engine) -> c_int;
    pub fn uc_ls_stop_on_unmask(uc: *mut uc_engine, on: bool);
    pub fn uc_ls_set_traps(uc: *mut uc_engine, div_0_trap: bool, unaligned_trap: bool);
    pub fn uc_ls_set_line_penalty(uc: *mut uc_engine, cycles: c_int);
    pub fn uc_ls_code_changed(uc: *mut uc_engine, address: u32, length: u32);
    pub fn uc_ls_set_breaks(uc: *mut uc_engine, sorted: *const u32, count: usize);
    pub fn uc_ls_pass_break(uc: *mut uc_engine, pass: bool);
    pub fn uc_ls_set_watches(uc: *mut uc_engine, watches: *const LsWatch, count: usize);
    pub fn uc_ls_take_hit(uc: *mut uc_engine, hit: *mut LsHit) -> bool;
    pub fn uc_ls_get_core(uc: *mut uc_engine, core: *mut LsCore);
    pub fn uc_ls_set_core(uc: *mut uc_engine, core: *const LsCore);
}

/// The core state as C passes it; field order is that of `lockstep_exact.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct LsCore {
    pub r: [u32; 16],
    pub other_sp: u32,
    pub xpsr: u32,
    pub control: u32,
    pub primask: u32,
    pub faultmask: u32,
    pub basepri: u32,
    pub it_state: u32,
    pub thumb: u32,
    pub exclusive_address: u64,
    pub exclusive_value: u64,
}

/// An access to a device as C reports it; field order is that of `lockstep_exact.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LsAccess {
    pub address: u32,
    pub size: u32,
    pub pc: u32,
    pub cycles_left: i64,
    pub instructions: u64,
    pub privileged: bool,
}

/// A range that is watched, as C takes it; field order is that of `lockstep_exact.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LsWatch {
    pub first: u32,
    pub last: u32,
    pub kinds: u32,
}

/// An access that was watched for, as C reports it; field order is that of `lockstep_exact.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct LsHit {
    pub address: u32,
    pub size: u32,
    pub pc: u32,
    pub write: bool,
}
