package deploy_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/inventory"
)

// TestBytecodeIsCompiledOnce: one host compiles a large environment, and the other takes the bytecode from it. It tells
// where it was compiled, because the roots of these hosts differ.
func TestBytecodeIsCompiledOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, embedded, 2)
	p := pushOfMany(t)
	var mu sync.Mutex
	var doing []string
	report := w.run(t.Context(), t, p, func(e event.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Step == event.StepEnvironment && e.Message != "" {
			doing = append(doing, e.Message)
		}
	})
	require.Equal(t, event.Succeeded, report.Outcome)
	said := strings.Join(doing, "\n")
	assert.Equal(t, 1, strings.Count(said, "compiling "), said)
	assert.Equal(t, 1, strings.Count(said, "waiting for the bytecode of web"), said)
	pattern := "hello-1.0/.venv/lib/python*/site-packages/many/__pycache__/*.pyc"
	for i := range 2 {
		found, err := filepath.Glob(filepath.Join(w.hosts[i].Root, pattern))
		require.NoError(t, err)
		require.Len(t, found, modulesOfMany)
		for _, path := range found {
			same, err := os.ReadFile(strings.Replace(path, w.hosts[i].Root, w.hosts[1-i].Root, 1))
			require.NoError(t, err)
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(same, data), path)
		}
	}
}

const modulesOfMany = 250

// pushOfMany is push with a requirement of many modules.
func pushOfMany(t *testing.T) deploy.Plan {
	t.Helper()
	p := push(t, "1.0")
	var err error
	p.Recipe, err = newRecipe(t, inventory.Install{Requirements: "r.txt"}, withFiles(t, map[string]string{
		"r.txt": "./many-1.0-py3-none-any.whl\n", "many-1.0-py3-none-any.whl": manyModules(t),
	}))
	require.NoError(t, err)
	return p
}

// manyModules is a wheel of many modules, and of enough bytes to measure a line with.
func manyModules(t *testing.T) string {
	t.Helper()
	members := map[string]string{"many/data": string(randomBytes(t, 400<<10))}
	for i := range modulesOfMany {
		members[fmt.Sprintf("many/m%d.py", i)] = fmt.Sprintf("value = %d\n", i)
	}
	return string(wheelOf(t, "many", members))
}

func randomBytes(t *testing.T, n int) []byte {
	t.Helper()
	data := make([]byte, n)
	_, err := rand.Read(data)
	require.NoError(t, err)
	return data
}
