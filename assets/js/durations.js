// Seconds in words.

/** How long ago or ahead: "40 s", "5 min", "3 h 5 min", "47 h", "12 d". */
export const roughly = (seconds) => {
  const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${minutes} min`;
  if (days < 2) return `${hours} h${minutes && days < 1 ? ` ${minutes} min` : ""}`;
  return `${Math.round(seconds / 86400)} d`;
};

/** How long a run took: "1.2 s", "40 s", "5 min 3 s", "3 h 5 min". */
export const precisely = (seconds) => {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
};
