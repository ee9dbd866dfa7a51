package deploy

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// recipeText is a recipe as hosts store it, so that other hosts can get the package from them. Its sha256 is the
// digest of the recipe. It has no credentials: a changed password installs the same packages.
type recipeText struct {
	Version      int            `json:"recipe"`
	Mode         remote.Mode    `json:"mode"`
	Requirements string         `json:"requirements,omitempty"` // sha256 of what requirements and constraints install
	Wheels       []remote.Wheel `json:"wheels,omitempty"`
	Indexes      []string       `json:"indexes,omitempty"` // the first is that of index_url, perhaps ""
	Extras       []string       `json:"extras,omitempty"`
	Dirs         []string       `json:"shared_dirs,omitempty"`
	Files        []string       `json:"shared_files,omitempty"`
	Prepare      []string       `json:"prepare,omitempty"`
}

// recipeVersion changes when recipes of an older kis do not mean the same any more.
const recipeVersion = 3

// seal computes text and digest.
func (r *Recipe) seal() error {
	text := recipeText{
		Version: recipeVersion, Mode: r.Mode, Requirements: r.requirements, Extras: r.Extras,
		Wheels:  slices.SortedFunc(slices.Values(r.Wheels), func(a, b remote.Wheel) int { return strings.Compare(a.Name, b.Name) }),
		Indexes: r.indexes,
		Dirs:    slices.Sorted(slices.Values(r.Shared.Dirs)), Files: slices.Sorted(slices.Values(r.Shared.Files)),
	}
	for _, c := range r.Prepare {
		text.Prepare = append(text.Prepare, c.Run)
	}
	var err error
	if r.text, err = json.Marshal(text); err != nil {
		return err
	}
	r.Digest = "sha256:" + sha256Text(r.text)
	return nil
}

// parseRecipe reads a recipe that a host has stored. The caller has compared its digest.
func parseRecipe(data []byte) (Recipe, error) {
	var text recipeText
	if err := json.Unmarshal(data, &text); err != nil {
		return Recipe{}, err
	}
	if text.Version != recipeVersion {
		return Recipe{}, errors.New("a recipe of another version of kis")
	}
	r := Recipe{Recipe: remote.Recipe{Mode: text.Mode, Extras: text.Extras}, Shared: inventory.Shared{Dirs: text.Dirs, Files: text.Files}, text: data}
	for _, command := range text.Prepare {
		r.Prepare = append(r.Prepare, inventory.Command{Run: command})
	}
	r.Digest = "sha256:" + sha256Text(data)
	return r, nil
}
