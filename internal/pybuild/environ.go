package pybuild

import (
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/scripts"
)

// privateEnviron is the environ of the programs that make a private build environment, and of those
// that run in it. The variables of Python do not reach it, nor those of pip that install elsewhere:
// PYTHONPATH would add another project's modules, PIP_USER fill the user's own directory.
func privateEnviron(environ []string) []string {
	private := slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		switch {
		case strings.HasPrefix(name, "PYTHON"), name == "VIRTUAL_ENV", name == "__PYVENV_LAUNCHER__":
			return true
		case strings.HasPrefix(name, "PIP_"):
			setting := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "PIP_"), "_", "-"))
			return !slices.Contains(scripts.PipSettings(), setting)
		}
		return false
	})
	return append(private, "PYTHONDONTWRITEBYTECODE=1", "PIP_NO_INPUT=1", "PIP_DISABLE_PIP_VERSION_CHECK=1")
}

// inEnvironment puts the programs of an environment first on PATH: uv_build is one.
func inEnvironment(environ []string, bin string) []string {
	path := ""
	for _, variable := range environ {
		if value, found := strings.CutPrefix(variable, "PATH="); found {
			path = ":" + value
		}
	}
	return append(slices.Clone(environ), "PATH="+bin+path)
}
