/** The islands: takes over what the server has rendered, keeps it up to date, and listens to keys and clicks. */
import { listenToClicks } from "./actions.ts";
import { chooseFrame } from "./choices.ts";
import { listenToKeys } from "./keys.ts";
import { healPage } from "./live.ts";
import { suggestTerms } from "./search.ts";
import { Shown } from "./shown.ts";

document.documentElement.classList.add("js");
const shown = Shown.take();
shown?.begin();
chooseFrame();
suggestTerms();
listenToClicks(shown);
listenToKeys(shown);
healPage();
