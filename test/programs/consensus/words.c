// A whole program in C: reads words, counts and sorts them, with recursion and callbacks.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t plain_mix(uint64_t seed, const char *text);
int plain_parse(const char *text, long *value);

struct node {
  struct node *left, *right;
  unsigned count;
  char word[24];
};

static struct node *insert(struct node *node, const char *word) {
  if (node == NULL) {
    node = calloc(1, sizeof *node);
    if (node == NULL) abort();
    strncpy(node->word, word, sizeof node->word - 1);
    node->count = 1;
    return node;
  }
  int order = strcmp(word, node->word);
  if (order < 0) node->left = insert(node->left, word);
  else if (order > 0) node->right = insert(node->right, word);
  else node->count++;
  return node;
}

static void walk(const struct node *node, void (*visit)(const struct node *, void *), void *state) {
  if (node == NULL) return;
  walk(node->left, visit, state);
  visit(node, state);
  walk(node->right, visit, state);
}

struct list {
  const struct node **nodes;
  size_t count, capacity;
};

static void append(const struct node *node, void *state) {
  struct list *list = state;
  if (list->count == list->capacity) {
    list->capacity = list->capacity == 0 ? 8 : list->capacity * 2;
    list->nodes = realloc(list->nodes, list->capacity * sizeof *list->nodes);
    if (list->nodes == NULL) abort();
  }
  list->nodes[list->count++] = node;
}

static int by_count(const void *a, const void *b) {
  const struct node *one = *(const struct node *const *)a;
  const struct node *two = *(const struct node *const *)b;
  if (one->count != two->count) return one->count < two->count ? 1 : -1;
  return strcmp(one->word, two->word);
}

static uint64_t matrix(unsigned size) {
  double cells[8][8];
  for (unsigned row = 0; row < 8; row++)
    for (unsigned column = 0; column < 8; column++) cells[row][column] = row * column + size;
  double sum = 0;
  for (unsigned round = 0; round < size; round++)
    for (unsigned row = 0; row < 8; row++)
      for (unsigned column = 0; column < 8; column++) sum += cells[row][column] / (round + 1.0);
  return (uint64_t)sum;
}

int main(int argc, char **argv) {
  long rounds = 3;
  if (argc > 1 && plain_parse(argv[1], &rounds) != 0) return 1;
  struct node *root = NULL;
  uint64_t seed = 1;
  for (long round = 0; round < rounds * 100; round++) {
    char word[24];
    seed = plain_mix(seed, "turn");
    snprintf(word, sizeof word, "w%u", (unsigned)(seed % 61));
    root = insert(root, word);
  }
  struct list list = {0};
  walk(root, append, &list);
  qsort(list.nodes, list.count, sizeof *list.nodes, by_count);
  for (size_t at = 0; at < list.count && at < 3; at++) {
    printf("%s %u\n", list.nodes[at]->word, list.nodes[at]->count);
  }
  printf("%llu\n", (unsigned long long)(matrix(9) + seed));
}
