//go:build !recovery

package scripts_test

// thorough: every variant, see make test-recovery.
const thorough = false
