//! What the `#[task]` attribute accepts, and one case for each of its complaints.

#[test]
fn a_task_compiles_and_every_complaint_points_at_the_guilty_token() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/cases/accepted.rs");
    cases.compile_fail("tests/cases/refused_*.rs");
}
