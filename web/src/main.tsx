import { render } from "preact";
import { App } from "./app.tsx";
import { takeToken } from "./client.ts";
import "./style.css";

takeToken();
const root = document.getElementById("app");
if (root) render(<App />, root);
