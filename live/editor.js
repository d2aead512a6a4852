// CodeMirror with what the page Try it here uses of it.
import { css } from "@codemirror/lang-css";
import { html } from "@codemirror/lang-html";
import { javascript } from "@codemirror/lang-javascript";
import { python } from "@codemirror/lang-python";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorState, RangeSetBuilder } from "@codemirror/state";
import { Decoration, EditorView, lineNumbers, ViewPlugin } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { minimalSetup } from "codemirror";

const LANGUAGES = { css, html, js: javascript, py: python };

// Few colours, all of which come from the site's own style sheet.
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.self, tags.operatorKeyword], class: "live-keyword" },
  { tag: [tags.string, tags.number, tags.bool], class: "live-string" },
  { tag: tags.comment, class: "live-comment" },
]);
const changedLine = Decoration.line({ class: "live-changed" });

// Marks lines; what the reader types above them moves the marks along.
function marks(lines) {
  const build = (doc) => {
    const builder = new RangeSetBuilder();
    for (const number of lines) {
      if (number > doc.lines) continue;
      const { from } = doc.line(number);
      builder.add(from, from, changedLine);
    }
    return builder.finish();
  };
  return ViewPlugin.define(
    (view) => ({
      decorations: build(view.state.doc),
      update({ changes, docChanged }) {
        if (docChanged) this.decorations = this.decorations.map(changes);
      },
    }),
    { decorations: (plugin) => plugin.decorations },
  );
}

export class Editor {
  constructor(parent, label) {
    this.view = new EditorView({ parent });
    this.label = label;
  }

  // Shows a file; lines are the numbers of those to mark, target the one to go to.
  open(file, text, lines, target) {
    const language = LANGUAGES[file.split(".").at(-1)];
    const attributes = { "aria-label": `${this.label} ${file}`, spellcheck: "false" };
    this.view.setState(
      EditorState.create({
        doc: text,
        extensions: [
          lineNumbers(),
          minimalSetup,
          syntaxHighlighting(colours),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of(attributes),
          marks(lines),
          ...(language ? [language()] : []),
        ],
      }),
    );
    this.view.scrollDOM.tabIndex = 0; // so that the keyboard can scroll it
    if (target) this.show(target);
  }

  show(number) {
    const line = this.view.state.doc.line(number);
    const effects = EditorView.scrollIntoView(line.from, { y: "center" });
    this.view.dispatch({ selection: { anchor: line.from, head: line.to }, effects });
  }

  get text() {
    return this.view.state.doc.toString();
  }
}
