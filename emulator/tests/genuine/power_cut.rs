//! Power lost while the boot loader copies an update: the device starts the copy again, and has the new application.

use std::cell::RefCell;

use lockstep::power_cut::{Cut, Operation, Place, Programmer, Runs, Update, Variant};
use lockstep_peripherals::flash::OperationKind;

use crate::vendor::vendor_set;

/// As long as the one of the log of hardware.
const IMAGE_BYTES: usize = 14_252;

fn is_of_copy(operation: &Operation, kind: OperationKind) -> bool {
    operation.by == Programmer::BootLoader && operation.place == Place::Application && operation.started.kind == kind
}

fn copies_again(version: &str) {
    if vendor_set(version, "a power cut in the boot loader's copy").is_none() {
        return;
    }
    let update = Update::offered(version, IMAGE_BYTES, 1).unwrap();
    let course = update.course().unwrap();
    let programs = course.iter().filter(|operation| is_of_copy(operation, OperationKind::Program)).count();
    // All of it but the words that are erased in the image as well.
    assert!((IMAGE_BYTES / 4 - 20..=IMAGE_BYTES / 4).contains(&programs), "{version}: {programs}");
    let erase = course.iter().position(|operation| is_of_copy(operation, OperationKind::Erase)).expect("an erase");
    let first = course.iter().position(|operation| is_of_copy(operation, OperationKind::Program)).expect("a program");
    let chosen = [erase, first, first + programs / 2];
    let verdicts = RefCell::new(Vec::new());
    let judge = |cut: Cut| {
        for variant in [Variant::During, Variant::After] {
            // One of the cuts is followed until the device is back at its service.
            let connects = cut.index == erase && variant == Variant::During;
            let verdict = cut.judge(&update, variant, 7, connects, |_| {}).unwrap();
            assert!(verdict.is_connected || !connects, "{version} {variant:?}: {verdict:?}");
            verdicts.borrow_mut().push((cut.index, variant, verdict));
        }
        true
    };
    update.visit(&course, &chosen, judge).unwrap();
    let verdicts = verdicts.into_inner();
    assert_eq!(verdicts.len(), 6);
    for (index, variant, verdict) in &verdicts {
        assert_eq!(verdict.runs, Runs::New, "{version}, cut {index} {variant:?}: {verdict:?}");
        assert!(verdict.is_whole && verdict.faults == 0 && !verdict.locked_up, "{version}: {verdict:?}");
        assert_eq!(verdict.left.is_empty(), *variant == Variant::After, "{version}: {verdict:?}");
    }
}

#[test]
fn the_boot_loader_copies_again_after_a_power_cut_on_2_2_0() {
    copies_again("2.2.0");
}

#[test]
fn the_boot_loader_copies_again_after_a_power_cut_on_0_5_2() {
    copies_again("0.5.2");
}

/// What is still being received is lost, and the old application runs on.
#[test]
fn a_power_cut_while_an_update_is_received_leaves_the_old_application() {
    if vendor_set("2.2.0", "a_power_cut_while_an_update_is_received_leaves_the_old_application").is_none() {
        return;
    }
    let update = Update::offered("2.2.0", IMAGE_BYTES, 1).unwrap();
    let course = update.course().unwrap();
    let received = course.iter().position(|operation| operation.place == Place::Staging).expect("received") + 1_000;
    let judge = |cut: Cut| {
        let verdict = cut.judge(&update, Variant::During, 7, true, |_| {}).unwrap();
        assert_eq!((verdict.runs, verdict.is_connected, verdict.is_whole), (Runs::Old, true, true), "{verdict:?}");
        true
    };
    update.visit(&course, &[received], judge).unwrap();
}

/// The verdict on devices that are damaged indeed: one without an application is reached in safe mode, one without
/// the boot loader's first vectors is dead.
#[test]
fn damage_is_told_from_health() {
    if vendor_set("2.2.0", "damage_is_told_from_health").is_none() {
        return;
    }
    let update = Update::offered("2.2.0", IMAGE_BYTES, 1).unwrap();
    let course = update.course().unwrap();
    let judge = |cut: Cut| {
        for (place, runs, is_whole) in [(0x8_0100, Runs::SafeMode, false), (0, Runs::Nothing, true)] {
            let mut cut = Cut { snapshot: cut.snapshot.clone(), ..cut };
            cut.snapshot.flash[place..place + 8].fill(0xff);
            let verdict = cut.judge(&update, Variant::After, 7, true, |_| {}).unwrap();
            assert_eq!((verdict.runs, verdict.is_whole), (runs, is_whole), "{verdict:?}");
            assert_eq!(verdict.is_connected, runs == Runs::SafeMode, "{verdict:?}");
            assert_eq!((verdict.needs_visit(), verdict.faults > 0), (place == 0, place == 0), "{verdict:?}");
        }
        true
    };
    update.visit(&course, &[100], judge).unwrap();
}
