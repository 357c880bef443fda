// Verifies a published log with golang.org/x/mod/sumdb alone: `verify FOLDER KEY`.
//
// The checkpoint must be signed by the key; every entry must hash to its leaf, read through tiles that are authenticated
// against the signed root; and every tile of that size must be, byte for byte, what the entries give when the whole tree
// is computed anew from them.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// folder gives out the tiles of a published log. The specification leaves the height out of the path, sumdb does not.
type folder string

func (f folder) path(tile tlog.Tile) string {
	return filepath.Join(string(f), strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
}

func (f folder) Height() int                     { return height }
func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}
func (f folder) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, tile := range tiles {
		content, err := os.ReadFile(f.path(tile))
		if err != nil {
			return nil, err
		}
		data = append(data, content)
	}
	return data, nil
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

func require(holds bool, format string, values ...any) {
	if !holds {
		must(fmt.Errorf(format, values...))
	}
}

// checkpoint opens the signed note and reads size and root from it.
func checkpoint(f folder, key string) tlog.Tree {
	verifier, err := note.NewVerifier(key)
	must(err)
	message, err := os.ReadFile(filepath.Join(string(f), "checkpoint"))
	must(err)
	opened, err := note.Open(message, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	require(len(lines) == 4 && lines[0] == verifier.Name(), "the checkpoint is not one of %s", verifier.Name())
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := tlog.ParseHash(lines[2])
	must(err)
	return tlog.Tree{N: size, Hash: root}
}

// tilesOf lists the tiles that a log of a size has. Older versions of sumdb list every width of a partial tile.
func tilesOf(size int64) (tiles []tlog.Tile) {
	for _, tile := range tlog.NewTiles(height, 0, size) {
		if tile.W == 1<<height || int64(tile.W) == size>>(height*tile.L)%(1<<height) {
			tiles = append(tiles, tile)
		}
	}
	return tiles
}

// entries reads the bundle that stands beside a tile of leaves.
func entries(f folder, leaves tlog.Tile) (found [][]byte) {
	bundle, err := os.ReadFile(strings.Replace(f.path(leaves), "tile/0/", "tile/entries/", 1))
	must(err)
	for len(bundle) > 0 {
		require(len(bundle) >= 2, "a bundle is cut short")
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		require(len(bundle) >= end, "a bundle is cut short")
		found = append(found, bundle[2:end])
		bundle = bundle[end:]
	}
	require(len(found) == leaves.W, "a bundle has %d entries, not %d", len(found), leaves.W)
	return found
}

func main() {
	require(len(os.Args) == 3, "usage: verify FOLDER KEY")
	f := folder(os.Args[1])
	tree := checkpoint(f, os.Args[2])
	authenticated := tlog.TileHashReader(tree, f)
	var stored []tlog.Hash
	own := tlog.HashReaderFunc(func(indexes []int64) (hashes []tlog.Hash, err error) {
		for _, index := range indexes {
			hashes = append(hashes, stored[index])
		}
		return hashes, nil
	})
	tiles, count := tilesOf(tree.N), int64(0)
	for _, tile := range tiles {
		if tile.L > 0 {
			continue
		}
		var indexes []int64
		first := count
		for _, entry := range entries(f, tile) {
			hashes, err := tlog.StoredHashes(count, entry, own)
			must(err)
			stored = append(stored, hashes...)
			indexes = append(indexes, tlog.StoredHashIndex(0, count))
			count++
		}
		leaves, err := authenticated.ReadHashes(indexes)
		must(err)
		for place, leaf := range leaves {
			require(leaf == stored[indexes[place]], "entry %d is not the one that was logged", first+int64(place))
		}
	}
	require(count == tree.N, "there are %d entries, not %d", count, tree.N)
	root, err := tlog.TreeHash(tree.N, own)
	must(err)
	require(root == tree.Hash, "the entries give another root than the one that was signed")
	for _, tile := range tiles {
		content, err := os.ReadFile(f.path(tile))
		must(err)
		expected, err := tlog.ReadTileData(tile, own)
		must(err)
		require(bytes.Equal(content, expected), "%s is not what the entries give", f.path(tile))
	}
	fmt.Printf("accepted: %d entries, %d tiles, root %s\n", count, len(tiles), root)
}
