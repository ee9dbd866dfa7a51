package ui

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestColumnsThatAreEmptyAreNotWrapped(t *testing.T) {
	t.Parallel()
	rows := withoutEmptyColumns([][]string{{"web1", "deploy@192.0.2.1:22", "/usr/bin/python3", ""}, {"web2", "deploy@192.0.2.2:22", "/usr/bin/python3", ""}})
	assert.Equal(t, []string{
		"web1  deploy@192.0.2.1:22", "        /usr/bin/python3",
		"web2  deploy@192.0.2.2:22", "        /usr/bin/python3",
	}, wrapped(rows, 40))
	assert.Equal(t, [][]string{{""}, {""}}, withoutEmptyColumns([][]string{{"", ""}, {"", ""}}))
	assert.Empty(t, withoutEmptyColumns(nil))
}
