package deploy

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/remote"
)

func TestPipsThatMakeEditableInstalls(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"pip-21.3-py3-none-any.whl": true, "pip-22-py3-none-any.whl": true, "pip-26.3.1-py3-none-any.whl": true,
		"pip-21.2.4-py3-none-any.whl": false, "pip-20.3.4-py2.py3-none-any.whl": false, "pip_tools-30.1-py3-none-any.whl": false, "six-1.17.0-py2.py3-none-any.whl": false,
	} {
		assert.Equal(t, want, installsEditable(remote.Wheel{Name: name}), name)
	}
}
