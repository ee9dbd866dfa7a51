package pybuild

import (
	"slices"
	"strings"
)

// indexSettings are the variables of pip that say where packages come from, and how they are
// reached. They count in a private build environment; every other variable of pip says where
// packages go, or what is done with them.
func indexSettings() []string {
	return []string{
		"PIP_CACHE_DIR", "PIP_CERT", "PIP_CLIENT_CERT", "PIP_CONFIG_FILE", "PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "PIP_DEFAULT_TIMEOUT",
		"PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_KEYRING_PROVIDER", "PIP_NO_BINARY", "PIP_NO_CACHE_DIR", "PIP_NO_INDEX",
		"PIP_ONLY_BINARY", "PIP_PRE", "PIP_PREFER_BINARY", "PIP_PROXY", "PIP_RETRIES", "PIP_TIMEOUT", "PIP_TRUSTED_HOST", "PIP_UPLOADED_PRIOR_TO",
	}
}

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
			return !slices.Contains(indexSettings(), name)
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
