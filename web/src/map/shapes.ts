// Shapes that sigma has not: each kind of thing on the map has one of its own, so that colour alone tells nothing.
import { NodePointProgram } from "sigma/rendering";

/** Returns a program that draws points of a shape. `distance` is GLSL: how far `m` is from the middle, 0.5 at the rim. */
function shaped(distance: string) {
  return class extends NodePointProgram {
    override getDefinition() {
      const round = super.getDefinition();
      const FRAGMENT_SHADER_SOURCE = round.FRAGMENT_SHADER_SOURCE.replace("length(m)", distance);
      return { ...round, FRAGMENT_SHADER_SOURCE };
    }
  };
}

export const Round = NodePointProgram;
export const Square = shaped("max(abs(m.x), abs(m.y)) * 1.15");
export const Diamond = shaped("(abs(m.x) + abs(m.y))");
export const Bar = shaped("max(abs(m.x), abs(m.y) * 2.0)");
export const Triangle = shaped("max(abs(m.x) * 2.0 - m.y, m.y)");
