/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the rule for an address stands: owner and address → mapping → table → row.
 *
 *   mappings    a program's executable ranges, each split into aligned powers of two
 *   tables      for each file one array of blocks of 64 bytes; first a word for each page of
 *               64 KiB of addresses (its first row, and the one after its last), then the rows
 *
 * src/receivers/ebpf/unwinding/ writes both, and src/symbols/cfi/unwind-rows.ts says what is
 * in a row.
 */
#ifndef OBSFORGE_UNWIND_TABLE_BPF_H
#define OBSFORGE_UNWIND_TABLE_BPF_H

#include "kernel.bpf.h"
#include "sample.bpf.h"

#define PREFIXES_MAX 524288
#define TABLES_MAX 16384

/*
 * No table. With no pages: memory without a file, whose code keeps frame pointers as far as
 * anybody knows. With one: the file's table cannot be had for the moment.
 */
#define TABLE_NONE 0

#define BLOCK_WORDS 8
#define BLOCK_SHIFT 3
#define PAGE_BITS 16
/* A page has a row a byte at most: 2^16 rows are 2^13 blocks, and one more may precede them. */
#define BLOCK_SEARCH_STEPS_MAX 14

#define OWNER_PREFIX_BITS 32

struct block {
	u64 words[BLOCK_WORDS];
};

/* The address bits stand from the most significant byte on, as the trie compares them. */
struct mapping_key {
	u32 prefix_bits;
	u32 owner_be;
	u64 address_be;
};

struct mapping {
	u64 start;
	u64 end;
	/* Address in the process of the first byte of the table's first page. */
	u64 table_start;
	u32 table;
	u32 page_count;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, PREFIXES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mapping_key);
	__type(value, struct mapping);
} mappings SEC(".maps");

struct table_template {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP);
	/* Sizes, because libbpf does not find the types of a map that is only a template. */
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(struct block));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TABLES_MAX);
	__type(key, u32);
	__array(values, struct table_template);
} tables SEC(".maps");

/* Copies the mapping that holds `address`. False when there is none. */
static __always_inline bool find_mapping(u32 owner, u64 address, struct mapping *into)
{
	struct mapping_key key = {
		.prefix_bits = OWNER_PREFIX_BITS + 64,
		.owner_be = __builtin_bswap32(owner),
		.address_be = __builtin_bswap64(address),
	};
	struct mapping *mapping;

	if (address - into->start < into->end - into->start)
		return true;
	mapping = bpf_map_lookup_elem(&mappings, &key);
	if (!mapping)
		return false;
	*into = *mapping;
	return true;
}

/*
 * The row that holds `address`, which lies in the mapping, or 0, which is the row that says that
 * nothing can be told.
 */
static __always_inline u64 find_row(const struct mapping *mapping, u64 address)
{
	u64 distance = address - mapping->table_start;
	u64 page = distance >> PAGE_BITS;
	u16 low = distance;
	u32 table_id = mapping->table, index, rows_at, first, end, from, to;
	struct block *block;
	u64 word, row = 0;
	void *table;

	if (page >= mapping->page_count)
		return 0;
	table = bpf_map_lookup_elem(&tables, &table_id);
	if (!table)
		return 0;
	index = page >> BLOCK_SHIFT;
	block = bpf_map_lookup_elem(table, &index);
	if (!block)
		return 0;
	word = block->words[page & (BLOCK_WORDS - 1)];
	first = word;
	end = word >> 32;
	if (end == 0)
		return 0;
	rows_at = (mapping->page_count + BLOCK_WORDS - 1) >> BLOCK_SHIFT;
	/* The row before the page's first may reach into it, so its block is looked at, too. */
	from = rows_at + ((first ? first - 1 : 0) >> BLOCK_SHIFT);
	to = rows_at + ((end - 1) >> BLOCK_SHIFT);
	for (int step = 0; step < BLOCK_SEARCH_STEPS_MAX && from < to; step++) {
		index = (from + to + 1) >> 1;
		block = bpf_map_lookup_elem(table, &index);
		if (!block)
			return 0;
		if ((u16)block->words[0] <= low)
			from = index;
		else
			to = index - 1;
	}
	index = from;
	block = bpf_map_lookup_elem(table, &index);
	if (!block)
		return 0;
	index = (from - rows_at) << BLOCK_SHIFT;
	for (int slot = 0; slot < BLOCK_WORDS; slot++, index++) {
		word = block->words[slot];
		if (index >= end || (index >= first && (u16)word > low))
			break;
		row = word;
	}
	return row;
}

#endif
