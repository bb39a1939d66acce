/* tests/unit/test_chat.c - chat templates: recognised, and written as the models' authors
 * write them. */
#include "cmocka_all.h"
#include "transformer/chat.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MESSAGES = 8 };

/* A chat as a request brings it: slices of its data. */
typedef struct chat {
    char data[512];
    cadre_message messages[MAX_MESSAGES];
    size_t n;
} chat;

static void say(chat *c, const char *role, const char *content)
{
    const size_t at = strlen(c->data);
    snprintf(c->data + at, sizeof c->data - at, "%s: %s\n", role, content);
    c->messages[c->n++] = (cadre_message){.role_at = (uint32_t)at,
                                          .role_bytes = (uint32_t)strlen(role),
                                          .content_at = (uint32_t)(at + strlen(role) + 2),
                                          .content_bytes = (uint32_t)strlen(content)};
}

/* A system's message if asked, and two turns. */
static chat two_turns(int with_system)
{
    chat c = {.n = 0};
    if (with_system)
        say(&c, "system", "Be kind.");
    say(&c, "user", " Hi <s>");
    say(&c, "assistant", "Hello. ");
    say(&c, "user", "Bye");
    return c;
}

static void expect(tf_chat which, const chat *c, int add_bos, const char *expected)
{
    char text[1024] = "";
    tf_piece *pieces;
    size_t n, at = 0;
    int bos;
    if (tf_chat_format(which, c->data, c->messages, c->n, &pieces, &n, &bos) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    for (size_t i = 0; i < n; i++) {
        memcpy(text + at, pieces[i].text, pieces[i].bytes);
        at += pieces[i].bytes;
        /* What people wrote is never template. */
        const int theirs =
            pieces[i].text >= c->data && pieces[i].text < c->data + sizeof c->data;
        assert_int_equal(pieces[i].is_template, !theirs);
    }
    assert_string_equal(text, expected);
    assert_int_equal(bos, add_bos);
    free(pieces);
}

static void test_llama2(void **state)
{
    const chat with = two_turns(1), without = two_turns(0);
    (void)state;
    expect(TF_CHAT_LLAMA2, &with, 0,
           "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\n Hi <s> [/INST] Hello. </s>"
           "<s>[INST] Bye [/INST]");
    expect(TF_CHAT_LLAMA2, &without, 0,
           "<s>[INST] Hi <s> [/INST] Hello. </s><s>[INST] Bye [/INST]");
}

static void test_llama3(void **state)
{
    const chat c = two_turns(1);
    (void)state;
    expect(TF_CHAT_LLAMA3, &c, 0,
           "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe kind."
           "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi <s><|eot_id|>"
           "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
           "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
           "<|start_header_id|>assistant<|end_header_id|>\n\n");
}

static void test_chatml(void **state)
{
    const chat c = two_turns(1);
    (void)state;
    expect(TF_CHAT_CHATML, &c, 1,
           "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n Hi <s><|im_end|>\n"
           "<|im_start|>assistant\nHello. <|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
           "<|im_start|>assistant\n");
}

static void test_zephyr(void **state)
{
    const chat c = two_turns(1);
    (void)state;
    expect(TF_CHAT_ZEPHYR, &c, 1,
           "<|system|>\nBe kind.</s>\n<|user|>\n Hi <s></s>\n<|assistant|>\nHello. </s>\n"
           "<|user|>\nBye</s>\n<|assistant|>\n");
}

static void test_mistral(void **state)
{
    const chat with = two_turns(1), without = two_turns(0);
    (void)state;
    expect(TF_CHAT_MISTRAL, &with, 0,
           "<s>[INST] Be kind.\n\n Hi <s> [/INST] Hello. </s>[INST] Bye [/INST]");
    expect(TF_CHAT_MISTRAL, &without, 0,
           "<s>[INST]  Hi <s> [/INST] Hello. </s>[INST] Bye [/INST]");
    expect(TF_CHAT_MISTRAL_V3, &with, 0,
           "<s>[INST] Hi <s>[/INST]Hello. </s>[INST]Be kind.\n\nBye[/INST]");
}

static void test_one_message(void **state)
{
    chat c = {.n = 0};
    (void)state;
    say(&c, "user", "");
    expect(TF_CHAT_LLAMA2, &c, 0, "<s>[INST]  [/INST]");
    expect(TF_CHAT_CHATML, &c, 1,
           "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n");
    expect(TF_CHAT_MISTRAL_V3, &c, 0, "<s>[INST][/INST]");
}

/* roles is "su", "usa", ...; what is refused, and what is said. */
static void refuse(tf_chat which, const char *roles, const char *says)
{
    chat c = {.n = 0};
    tf_piece *pieces;
    size_t n;
    int bos;
    for (; *roles; roles++)
        say(&c,
            *roles == 's'   ? "system"
            : *roles == 'u' ? "user"
            : *roles == 'a' ? "assistant"
                            : "tool",
            "x");
    assert_int_equal(tf_chat_format(which, c.data, c.messages, c.n, &pieces, &n, &bos),
                     CADRE_ERR_INPUT);
    assert_null(pieces);
    if (!strstr(cadre_last_error(), says))
        fail_msg("\"%s\" does not say \"%s\"", cadre_last_error(), says);
}

static void test_refused(void **state)
{
    (void)state;
    refuse(TF_CHAT_CHATML, "", "the chat has no message");
    refuse(TF_CHAT_CHATML, "ut",
           "message 2: chat template chatml knows the roles system, user and assistant, "
           "not \"tool\"");
    refuse(TF_CHAT_LLAMA3, "us", "message 2: the system's message must be the first");
    refuse(TF_CHAT_LLAMA2, "suu", "message 3: chat template llama2 wants user and assis");
    refuse(TF_CHAT_MISTRAL, "au", "message 1: chat template mistral wants user");
    refuse(TF_CHAT_MISTRAL, "ua", "message 2: chat template mistral wants the last one");
    refuse(TF_CHAT_LLAMA2, "s", "message 1: chat template llama2 wants the last one");
}

static void test_names(void **state)
{
    tf_chat which;
    (void)state;
    for (int i = 0; i < TF_N_CHATS; i++) {
        assert_int_equal(tf_chat_by_name(tf_chat_name((tf_chat)i), &which), CADRE_OK);
        assert_int_equal(which, i);
    }
    assert_int_equal(tf_chat_by_name("alpaca", &which), CADRE_ERR_UNSUPPORTED);
    assert_int_equal(which, TF_CHAT_NONE);
    assert_string_equal(cadre_last_error(),
                        "chat template \"alpaca\" is unknown; known are llama2, llama3, "
                        "chatml, zephyr, mistral, mistral-v3");
}

/* The telling parts of models' templates. */
static void test_recognised(void **state)
{
    static const struct {
        const char *jinja;
        tf_chat which;
    } cases[] = {
        {"{% if system_message != false %}{% set content = '<<SYS>>\\n' + system_message "
         "%}{% endif %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}",
         TF_CHAT_LLAMA2},
        {"{% set content = '<|start_header_id|>' + message['role'] + "
         "'<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}",
         TF_CHAT_LLAMA3},
        {"{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
         "'<|im_end|>' + '\\n'}}",
         TF_CHAT_CHATML},
        {"{{ '<|user|>\\n' + message['content'] + eos_token }}{{ '<|assistant|>' }}",
         TF_CHAT_ZEPHYR},
        {"{{ bos_token }}{{ '[INST] ' + message['content'] + ' [/INST]' }}{{ "
         "message['content'] + eos_token}}",
         TF_CHAT_MISTRAL},
        {"{{- ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' "
         "}}",
         TF_CHAT_MISTRAL},
        {"{{- \"[AVAILABLE_TOOLS] [\" }}{{- \"[INST] \" + message[\"content\"] + "
         "\"[/INST]\" }}",
         TF_CHAT_MISTRAL_V3},
        {"{{- \"[AVAILABLE_TOOLS][\" }}{{- \"[INST]\" + message[\"content\"] + "
         "\"[/INST]\" }}",
         TF_CHAT_MISTRAL_V3},
    };
    static const char *const unknown[] = {
        "",
        "{{ 'USER: ' + message['content'] + ' ASSISTANT:' }}",
        "{{ '<|im_start|>user<|im_sep|>' }}",
        "{{ '[SYSTEM_PROMPT]' }}{{ '[INST]' }}",
        "{{ '<|user|>\\n' + text + '\\n' }}{{ '<|assistant|>' + text + eos_token }}",
        "{{ '<|user|>\\n' + message['content'] + '<|end|>\\n<|assistant|>' }}",
    };
    tf_chat which;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const tf_string jinja = {cases[i].jinja, strlen(cases[i].jinja)};
        assert_int_equal(tf_chat_recognise(jinja, &which), CADRE_OK);
        assert_string_equal(tf_chat_name(which), tf_chat_name(cases[i].which));
    }
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        const tf_string jinja = {unknown[i], strlen(unknown[i])};
        assert_int_equal(tf_chat_recognise(jinja, &which), CADRE_ERR_UNSUPPORTED);
        assert_int_equal(which, TF_CHAT_NONE);
        assert_non_null(strstr(cadre_last_error(), "known are llama2, llama3, chatml"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama2),     cmocka_unit_test(test_llama3),
        cmocka_unit_test(test_chatml),     cmocka_unit_test(test_zephyr),
        cmocka_unit_test(test_mistral),    cmocka_unit_test(test_one_message),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_names),
        cmocka_unit_test(test_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
