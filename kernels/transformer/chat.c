/* chat.c - chat templates: recognised by what they write, and written. */
#include "chat.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[TF_N_CHATS] = {
    [TF_CHAT_LLAMA2] = "llama2",   [TF_CHAT_LLAMA3] = "llama3",
    [TF_CHAT_CHATML] = "chatml",   [TF_CHAT_ZEPHYR] = "zephyr",
    [TF_CHAT_MISTRAL] = "mistral", [TF_CHAT_MISTRAL_V3] = "mistral-v3",
};

/* ---- Which one ---- */

const char *tf_chat_name(tf_chat chat)
{
    return chat >= 0 && chat < TF_N_CHATS ? names[chat] : "none";
}

static cadre_status fail_unknown(const char *what)
{
    char known[128] = "";
    size_t n = 0;
    for (int chat = 0; chat < TF_N_CHATS && n < sizeof known; chat++)
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", chat ? ", " : "",
                              names[chat]);
    return cadre_fail(CADRE_ERR_UNSUPPORTED, "%s; known are %s", what, known);
}

cadre_status tf_chat_by_name(const char *name, tf_chat *out)
{
    char what[96];
    *out = TF_CHAT_NONE;
    for (int chat = 0; chat < TF_N_CHATS; chat++)
        if (strcmp(name, names[chat]) == 0) {
            *out = (tf_chat)chat;
            return CADRE_OK;
        }
    snprintf(what, sizeof what, "chat template \"%.40s\" is unknown", name);
    return fail_unknown(what);
}

/* Where `part` first stands in text[bytes], or NULL. */
static const char *find(tf_string text, const char *part)
{
    return memmem(text.at, text.bytes, part, strlen(part));
}

/* Whether EOS follows what a user says, in the expression that writes it. */
static int ends_user_with_eos(tf_string jinja)
{
    const char *start = find(jinja, "<|user|>");
    if (!start)
        return 0;
    tf_string rest = {start, jinja.bytes - (size_t)(start - jinja.at)};
    const char *end = find(rest, "}}");
    if (end)
        rest.bytes = (size_t)(end - start);
    return find(rest, "eos_token") || find(rest, "</s>");
}

static tf_chat recognise_inst(tf_string jinja)
{
    if (find(jinja, "[SYSTEM_PROMPT]"))
        return TF_CHAT_NONE; /* a later one of Mistral's */
    if (find(jinja, "<<SYS>>"))
        return TF_CHAT_LLAMA2;
    /* With tools came the version whose brackets are tokens, but for Mixtral's, which
     * still writes a space in front of them. */
    return find(jinja, "[AVAILABLE_TOOLS]") && !find(jinja, " [INST]")
               ? TF_CHAT_MISTRAL_V3
               : TF_CHAT_MISTRAL;
}

cadre_status tf_chat_recognise(tf_string jinja, tf_chat *out)
{
    *out = TF_CHAT_NONE;
    if (find(jinja, "<|im_start|>")) {
        if (!find(jinja, "<|im_sep|>") && !find(jinja, "<end_of_utterance>"))
            *out = TF_CHAT_CHATML;
    } else if (find(jinja, "[INST]")) {
        *out = recognise_inst(jinja);
    } else if (find(jinja, "<|start_header_id|>") && find(jinja, "<|end_header_id|>")) {
        *out = TF_CHAT_LLAMA3;
    } else if (find(jinja, "<|assistant|>") && ends_user_with_eos(jinja)) {
        *out = TF_CHAT_ZEPHYR;
    }
    return *out == TF_CHAT_NONE ? fail_unknown("the model's chat template is unknown")
                                : CADRE_OK;
}

/* ---- Writing ---- */

typedef enum speaker { SYSTEM, USER, ASSISTANT, N_SPEAKERS } speaker;

static const char *const speakers[N_SPEAKERS] = {"system", "user", "assistant"};

typedef struct writer {
    const char *data;
    const cadre_message *messages;
    size_t n_messages;
    tf_piece *pieces; /* room for what any template writes */
    size_t n;
} writer;

#define PIECES_PER_MESSAGE 6 /* with those at the chat's start and end */

static void write_template(writer *w, const char *text)
{
    w->pieces[w->n++] = (tf_piece){text, strlen(text), 1};
}

static tf_string content_of(const writer *w, size_t index)
{
    const cadre_message *message = &w->messages[index];
    return (tf_string){w->data + message->content_at, message->content_bytes};
}

static void write_text(writer *w, tf_string text)
{
    w->pieces[w->n++] = (tf_piece){text.at, text.bytes, 0};
}

static int is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static tf_string without_end(tf_string text)
{
    while (text.bytes > 0 && is_blank(text.at[text.bytes - 1]))
        text.bytes--;
    return text;
}

static tf_string stripped(tf_string text)
{
    text = without_end(text);
    while (text.bytes > 0 && is_blank(*text.at)) {
        text.at++;
        text.bytes--;
    }
    return text;
}

static speaker speaker_of(const writer *w, size_t index)
{
    const cadre_message *message = &w->messages[index];
    const char *role = w->data + message->role_at;
    int who = 0;
    while (who < N_SPEAKERS && (strlen(speakers[who]) != message->role_bytes ||
                                memcmp(role, speakers[who], message->role_bytes) != 0))
        who++;
    return (speaker)who;
}

/* Templates in which every message has a header and a footer. */
typedef struct headed {
    const char *start;
    const char *headers[N_SPEAKERS];
    const char *footer;
    int strips;
} headed;

static const headed llama3 = {"<|begin_of_text|>",
                              {"<|start_header_id|>system<|end_header_id|>\n\n",
                               "<|start_header_id|>user<|end_header_id|>\n\n",
                               "<|start_header_id|>assistant<|end_header_id|>\n\n"},
                              "<|eot_id|>",
                              1};
static const headed chatml = {
    NULL,
    {"<|im_start|>system\n", "<|im_start|>user\n", "<|im_start|>assistant\n"},
    "<|im_end|>\n",
    0};
static const headed zephyr = {
    NULL, {"<|system|>\n", "<|user|>\n", "<|assistant|>\n"}, "</s>\n", 0};

static void write_headed(writer *w, const headed *t)
{
    if (t->start)
        write_template(w, t->start);
    for (size_t i = 0; i < w->n_messages; i++) {
        const tf_string text = content_of(w, i);
        write_template(w, t->headers[speaker_of(w, i)]);
        write_text(w, t->strips ? stripped(text) : text);
        write_template(w, t->footer);
    }
    write_template(w, t->headers[ASSISTANT]);
}

/* Templates of turns, a user's and an assistant's, with the system's text inside a
 * user's. */
static void write_llama2(writer *w)
{
    const size_t first = speaker_of(w, 0) == SYSTEM;
    for (size_t i = first; i < w->n_messages; i++) {
        if (speaker_of(w, i) == ASSISTANT) {
            write_template(w, " ");
            write_text(w, stripped(content_of(w, i)));
            write_template(w, " </s>");
            continue;
        }
        write_template(w, "<s>[INST] ");
        if (i == 1 && first == 1) {
            write_template(w, "<<SYS>>\n");
            write_text(w, content_of(w, 0));
            write_template(w, "\n<</SYS>>\n\n");
            write_text(w, without_end(content_of(w, i)));
        } else {
            write_text(w, stripped(content_of(w, i)));
        }
        write_template(w, " [/INST]");
    }
}

static void write_mistral(writer *w, const char *before, const char *after,
                          const char *answer, size_t with_system)
{
    const size_t first = speaker_of(w, 0) == SYSTEM;
    write_template(w, "<s>");
    for (size_t i = first; i < w->n_messages; i++) {
        if (speaker_of(w, i) == ASSISTANT) {
            write_template(w, answer);
            write_text(w, content_of(w, i));
            write_template(w, "</s>");
            continue;
        }
        write_template(w, before);
        if (first == 1 && i == with_system) {
            write_text(w, content_of(w, 0));
            write_template(w, "\n\n");
        }
        write_text(w, content_of(w, i));
        write_template(w, after);
    }
}

static cadre_status check_roles(const writer *w, tf_chat chat)
{
    const int turns =
        chat == TF_CHAT_LLAMA2 || chat == TF_CHAT_MISTRAL || chat == TF_CHAT_MISTRAL_V3;
    size_t turn = 0;
    if (w->n_messages == 0)
        return cadre_fail(CADRE_ERR_INPUT, "the chat has no message");
    for (size_t i = 0; i < w->n_messages; i++) {
        const cadre_message *message = &w->messages[i];
        const speaker who = speaker_of(w, i);
        if (who == N_SPEAKERS)
            return cadre_fail(
                CADRE_ERR_INPUT,
                "message %zu: chat template %s knows the roles system, user "
                "and assistant, not \"%.*s\"",
                i + 1, names[chat],
                (int)(message->role_bytes < 40 ? message->role_bytes : 40),
                w->data + message->role_at);
        if (who == SYSTEM && i > 0)
            return cadre_fail(CADRE_ERR_INPUT,
                              "message %zu: the system's message must be the first",
                              i + 1);
        if (who != SYSTEM && turns && who != (turn++ % 2 ? ASSISTANT : USER))
            return cadre_fail(CADRE_ERR_INPUT,
                              "message %zu: chat template %s wants user and assistant in "
                              "turn, beginning with user",
                              i + 1, names[chat]);
    }
    if (turns && speaker_of(w, w->n_messages - 1) != USER)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "message %zu: chat template %s wants the last one to be a user's",
            w->n_messages, names[chat]);
    return CADRE_OK;
}

static void write_chat(writer *w, tf_chat chat)
{
    switch (chat) {
    case TF_CHAT_LLAMA2:
        write_llama2(w);
        break;
    case TF_CHAT_LLAMA3:
        write_headed(w, &llama3);
        break;
    case TF_CHAT_ZEPHYR:
        write_headed(w, &zephyr);
        break;
    case TF_CHAT_MISTRAL:
        write_mistral(w, "[INST] ", " [/INST]", " ", 1);
        break;
    case TF_CHAT_MISTRAL_V3:
        write_mistral(w, "[INST]", "[/INST]", "", w->n_messages - 1);
        break;
    default:
        write_headed(w, &chatml);
    }
}

cadre_status tf_chat_format(tf_chat chat, const char *data, const cadre_message *messages,
                            size_t n_messages, tf_piece **pieces, size_t *n, int *add_bos)
{
    writer w = {.data = data, .messages = messages, .n_messages = n_messages};
    *pieces = NULL;
    *n = 0;
    if (chat < 0 || chat >= TF_N_CHATS)
        return cadre_fail(CADRE_ERR_ARG, "chat template %d is none", (int)chat);
    CADRE_TRY(check_roles(&w, chat));
    w.pieces = calloc(n_messages, PIECES_PER_MESSAGE * sizeof *w.pieces);
    if (!w.pieces)
        return cadre_fail(CADRE_ERR_NOMEM, "no memory for a chat of %zu messages",
                          n_messages);
    write_chat(&w, chat);
    *pieces = w.pieces;
    *n = w.n;
    *add_bos = chat == TF_CHAT_CHATML || chat == TF_CHAT_ZEPHYR;
    return CADRE_OK;
}
