// Package apps deploys whole applications with their real dependencies to whole Debian hosts with systemd (package debhost), by
// following the pages of docs/ word by word (package docpage).
//
// The pages are the tests: what differs between a page and what works is found here. Around a page's sections the tests do
// what no page would: push versions that fail, ask 200 times a second meanwhile, and look at what must not have changed.
package apps
