//go:build recovery

package scripts_test

// thorough: every variant.
const thorough = true
