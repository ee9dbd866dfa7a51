package docs_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/docs"
)

func TestTopicsAreThere(t *testing.T) {
	t.Parallel()
	for _, topic := range docs.Topics() {
		text := topic.Text()
		assert.Greater(t, len(text), 300, topic.Name)
		assert.Regexp(t, `\A# \w`, text, topic.Name)
		assert.NotContains(t, text, "](", topic.Name)
		found, some := docs.Find(topic.Name)
		assert.True(t, some)
		assert.Equal(t, topic, found)
	}
	layout, _ := docs.Find("layout")
	assert.Contains(t, layout.Text(), "receipt.json")
	_, some := docs.Find("nosuch")
	assert.False(t, some)
}
