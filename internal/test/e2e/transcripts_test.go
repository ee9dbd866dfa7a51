package e2e

import (
	"testing"

	"github.com/keep-it-simple/kis/internal/testenv/transcript"
)

// The tests of this file are transcripts of kis, below testdata.

func TestAProjectsLifeOnThreeHosts_B10_B11_R6_R9(t *testing.T) {
	t.Parallel()
	transcript.Run(t, "story.txtar")
}

// Web1 is well and web2 is not, so that nothing may happen on either.
func TestRefusalsOfOneHost_N1_N6_N7_N11_N14_N19_U6_U7_H3_H5_H9_C10_S1(t *testing.T) {
	t.Parallel()
	transcript.Run(t, "refusals/*.txtar")
}

func TestExec(t *testing.T) {
	t.Parallel()
	transcript.Run(t, "exec.txtar")
}

func TestAnswersForPrograms(t *testing.T) {
	t.Parallel()
	transcript.Run(t, "json.txtar")
}

func TestDiff(t *testing.T) {
	t.Parallel()
	transcript.Run(t, "diff.txtar")
}

func TestApplicationsThatWouldNotRun_V1_B14(t *testing.T) {
	t.Parallel()
	transcript.Run(t, "applications.txtar")
}

func TestLocalBuildFails_K7(t *testing.T) {
	t.Parallel()
	transcript.Run(t, "build.txtar")
}

func TestHostsThatNeverAnswer_N3_H2(t *testing.T) {
	t.Parallel()
	transcript.Run(t, "silent.txtar")
}

func TestStatusOfHostsThatRefuse(t *testing.T) {
	t.Parallel()
	transcript.Run(t, "status.txtar")
}
