// Passkeys, and nothing else: every page does the rest without a script. Forms are sent as forms; nothing is fetched.
"use strict";

const able = () => window.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON;

function say(form, text) {
  const where = form.querySelector("[data-said]");
  where.textContent = text;
  where.hidden = !text;
}

function point(form, party) {
  const there = new URL(location.href), link = document.createElement("a");
  there.hostname = party;
  link.href = link.textContent = there.href;
  say(form, "Passkeys work at another name of this page: ");
  form.querySelector("[data-said]").append(link);
}

function reason(error) {
  if (error.name === "NotAllowedError") return "The passkey was not used: cancelled, too late, or without PIN or finger.";
  if (error.name === "InvalidStateError") return "This device holds a passkey of yours already.";
  return `The passkey could not be used (${error.name}).`;
}

async function sign(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(options));
  return JSON.stringify((await navigator.credentials.get({ publicKey })).toJSON());
}

async function make(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(options));
  return JSON.stringify((await navigator.credentials.create({ publicKey })).toJSON());
}

const typed = (form) => form.elements.code && form.elements.code.value;

async function answer(form) {
  const { passkey, options, proof } = form.dataset;
  if (proof && !typed(form)) form.elements.proof.value = await sign(proof);
  if (passkey === "make") form.elements.credential.value = await make(options);
  if (passkey === "sign") form.elements.credential.value = await sign(options);
}

const answered = new WeakSet();

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const elsewhere = form.dataset.party && form.dataset.party !== location.hostname;
  form.hidden = false;
  if (!able() || elsewhere) {
    if (form.dataset.passkey === "prove" && form.elements.code) continue;  // A code does as well.
    say(form, "This browser cannot use passkeys.");
    if (elsewhere) point(form, form.dataset.party);
    form.querySelector("button").disabled = true;
  }
  form.addEventListener("submit", async (event) => {
    if (answered.has(form) || (form.dataset.passkey === "prove" && typed(form))) return;
    event.preventDefault();
    say(form, "");
    const copied = form.dataset.copies && document.getElementById(form.dataset.copies);
    if (copied && !copied.reportValidity()) return;
    if (copied) form.elements[copied.name].value = copied.value;
    try {
      await answer(form);
      answered.add(form);
      form.requestSubmit();
    } catch (error) {
      say(form, reason(error));
    }
  });
}

// The secret of an enrolment comes behind the #, which no browser sends; it goes into the form and out of the address.
const offered = document.querySelector("form[data-offer]");
if (offered && location.hash.length > 1) {
  offered.elements.secret.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  offered.requestSubmit();
}
