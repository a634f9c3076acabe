// Who is there: the key that the server asks for. It is kept until the tab is closed.

import { useState } from "preact/hooks";
import { get, setKey, type Problem } from "../api";
import { Failure, Field, useAction } from "../ui/parts";

export function SignIn({ asked, done }: { asked: Problem; done: () => void }) {
  const [key, set] = useState("");
  const enter = useAction(async () => {
    setKey(key.trim());
    try {
      await get("/v1/tables");
    } catch (error) {
      setKey(null);
      throw error;
    }
    done();
  });
  return (
    <>
      <h1 tabIndex={-1}>Sign in</h1>
      <form class="signin" onSubmit={(event) => (event.preventDefault(), void enter.run())}>
        <p>This server asks who is there.</p>
        <Field label="API key" hint="Made by: tastedb user add PATH NAME. It stays in this tab, and is gone when the tab is closed.">
          {(id, hint) => (
            <input
              id={id}
              type="password"
              required
              autocomplete="off"
              aria-describedby={hint}
              value={key}
              onInput={(event) => set(event.currentTarget.value)}
            />
          )}
        </Field>
        <button class="primary" disabled={enter.busy}>Sign in</button>
      </form>
      <Failure problem={enter.problem ?? asked} />
    </>
  );
}
